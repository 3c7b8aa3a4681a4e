"""The words of a recipe: starts, objectives, rules, priors and optimizers, a module of each."""

from convscope.vocabulary import objectives, optimizers, priors, rules, starts

__all__ = ["objectives", "optimizers", "priors", "rules", "starts"]
