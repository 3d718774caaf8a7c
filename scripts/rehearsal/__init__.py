"""A rehearsal of the container image and of docker-compose.yml, with podman in place of Docker."""
