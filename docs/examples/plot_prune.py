"""
Pruning
=======

Many weights of a network are near zero. How many of them can become zero before it sees something
else?

**How to read it.** The histogram has all weights, each in standard deviations of its layer. The
curve shows what is left when the smallest weights are set to zero: how probable the class of the
photograph still is, and for how many of a few photographs the top class stays. Below are the
filters of the first layer, before, at the last sparsity with the same prediction, and at the
largest one, each with what the network then says.

**Its limits.** Nothing is trained, and no photograph says how much a layer minds: weights of
different layers are compared by their share of the squares in their layer. `Compression
<plot_compress.html>`__ measures how much each layer minds, trains, and writes a small file. A few
photographs give a rough curve.

**Paper.** Han, Pool, Tran and Dally 2015, `Learning both Weights and Connections for Efficient
Neural Networks <https://arxiv.org/abs/1506.02626>`__; Lee, Park, Mo, Ahn and Shin 2021,
`Layer-Adaptive Sparsity for the Magnitude-Based Pruning <https://arxiv.org/abs/2010.07611>`__, for
the comparison of layers.
"""

import convscope as cs

net = cs.load()
photo = cs.open_image("sample:chelsea")
pruning = cs.prune(net, photo)
pruning

# %%
# The numbers of the curve:

for row in pruning.result().summary["rows"]:
    numbers = f"probability {row['probability']:6.1%}, agreement {row['agreement']:4.0%}"
    print(f"{row['sparsity']:4.0%} pruned: {numbers}, {row['prediction']}")

# %%
# A network with about a quarter of the weights.

cs.prune(cs.load("squeezenet1_1"), photo)
