"""
Transfer
========

How often a photograph that was changed to fool one network fools another.

**How to read it.** A row is what the photographs were made for: one network, or all but one. A
column is the network that judges them. Blue cells are the networks that the photographs were made
for, and red ones are all others: what is carried over. The numbers count the photographs whose
class that network gets wrong; only those count whose class all networks agree on before. The
curves are the fractions of the red cells.

**What it shows.** A change that is made for one network also fools another one on some photographs,
on more of them if the two are alike, as the two EfficientNets are. A change that is made for
several networks at once carries over more often. It has to be larger than one that fools a single
network, for which 1/255 is enough.

**Its limits.** A few photographs give coarse fractions. Changes of 16/255 can be seen.

**Paper.** Liu, Chen, Liu and Song 2017, `Delving into Transferable Adversarial Examples and
Black-box Attacks <https://arxiv.org/abs/1611.02770>`__. Papernot, McDaniel and Goodfellow 2016,
`Transferability in Machine Learning <https://arxiv.org/abs/1605.07277>`__, found that it happens.
"""

from parts import clear

import convscope as cs

net = cs.load()
run = cs.transfer(net, folder=clear(), limit=6)
run

# %%
# The same in numbers, for photographs that were made for all networks but one:

for row in run.result().summary["table"]:
    if row["made_for"] == f"all but {row['judged_by']}":
        print(
            f"{row['attack']} {row['epsilon']}/255, {row['made_for']}:"
            f" {row['fooled']} of {row['photographs']} fool it"
        )

# %%
# Other networks can be named, or given as ``Network`` objects, your own for instance:

own = cs.load("squeezenet1_1")
cs.transfer(net, folder=clear(), nets=own, attacks=("pgd",), epsilons=(8,), limit=6)

# %%
# On the command line, ``--keep`` writes the attacked photographs as PNG files. A file holds what it
# was made for, and still fools when it is read again:
#
# .. code-block:: bash
#
#    convscope transfer --folder photos --keep attacked -o transfer.png
