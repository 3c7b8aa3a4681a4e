"""The explorer: a server on the user's own machine that shows a network in the browser."""
