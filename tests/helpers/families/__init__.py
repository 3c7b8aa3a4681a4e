"""One network of every family of timm and torchvision, compared with plain PyTorch.

`tests/test_families.py` runs it, and `make families` writes docs/families.md from a run.
"""
