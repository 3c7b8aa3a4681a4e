"""
Universal perturbation
======================

One and the same change that makes the network say something else on most photographs.

**How to read it.** On the left is the change, amplified by the gain above it. Above it stands how
many of the photographs it fools the network on, and how many random noise of the same size does.
On the right are photographs with the change, each with what the network said before and says now.

**Its limits.** It is measured on the photographs that it was made for; with few of them, it fools
the network less often on others, and needs less than the 10/255 that it may have. A change of
10/255 is visible on smooth areas.

**Paper.** Moosavi-Dezfooli, Fawzi, Fawzi and Frossard 2017, `Universal Adversarial Perturbations
<https://arxiv.org/abs/1610.08401>`__. Climbing all margins at once follows Shafahi, Najibi, Xu,
Dickerson, Davis and Goldstein 2020, `Universal Adversarial Training
<https://arxiv.org/abs/1811.11304>`__.
"""

from parts import clear

import convscope as cs

net = cs.load()
run = cs.universal(net, folder=clear(), limit=24)
run

# %%
# What the network says of the photographs with the change. Many end in a few classes:

for name, count in list(run.result().summary["reached"].items())[:5]:
    print(f"{name}: {count}")
