"""The programs of the onboarding example: five actions, and the services that they talk to."""
