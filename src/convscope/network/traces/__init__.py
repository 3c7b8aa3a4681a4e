"""A forward pass, followed: its calls, how tensors lie, what units see."""
