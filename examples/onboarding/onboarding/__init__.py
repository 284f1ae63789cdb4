"""The programs of the onboarding example: four actions, and the services that they talk to."""
