"""The prepared copy of a user's module, and what it takes to make one."""
