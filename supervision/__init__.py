"""Actors and supervisors on trio, with the semantics of OTP."""
