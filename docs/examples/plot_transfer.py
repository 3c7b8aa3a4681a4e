"""
Transfer
========

How often a photograph that was changed to fool one network fools another.

**How to read it.** A row is what the photographs were made for: one network, or all but one. A
column is the network that judges them. The numbers count the photographs whose class that network
gets wrong; only those count whose class all networks agree on before. Blue is the network that the
photographs were made for. The curve is the fraction of the other cases, where a photograph meets a
network that it was not made for.

**Its limits.** A few photographs give coarse fractions. What is carried over depends on how alike
the networks are. An attack that follows one network closely, as PGD does, may carry over less than
a single coarse step.

**Paper.** Liu, Chen, Liu and Song 2017, `Delving into Transferable Adversarial Examples and
Black-box Attacks <https://arxiv.org/abs/1611.02770>`__. Papernot, McDaniel and Goodfellow 2016,
`Transferability in Machine Learning <https://arxiv.org/abs/1605.07277>`__, found that it happens.
"""

from parts import photographs

import convscope as cs

net = cs.load()
run = cs.transfer(net, folder=photographs(), limit=8)
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
# On the command line, ``--keep`` writes the attacked photographs as PNG files. A file holds what it
# was made for, and still fools when it is read again:
#
# .. code-block:: bash
#
#    convscope transfer --folder photos --keep attacked -o transfer.png
