"""Price alerts: rules of users, judged on the stream; what fired is stored, shown and posted."""
