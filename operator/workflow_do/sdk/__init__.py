"""The Python way in: define Workflows and Actions, start runs, wait for what they give."""
