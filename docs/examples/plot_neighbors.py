"""
Nearest neighbors
=================

The photographs of a collection that are nearest to another one: to the network, and by pixels.

**How to read it.** Left is the photograph that is asked about. The upper row has those whose embeddings
are nearest to its own; a code is the answer of the layer that the network reads its classes off.
The lower row has those that are nearest pixel by pixel. Where the upper row shows the same kind of
thing in other poses, light and places, the network has learned to see past these. The lower row
mostly agrees in where it is light and dark. Below each is its label or what the network says, and
the distance.

**Its limits.** There is always a nearest photograph, like or not: look at the distances. Codes were
learned to tell the training classes apart, so they may ignore what matters to you. Distances of
two networks do not compare.

**Paper.** Krizhevsky, Sutskever and Hinton 2012, `ImageNet Classification with Deep Convolutional
Neural Networks
<https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks>`__.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
cat = cs.open_image("sample:chelsea")
cs.neighbors(net, cat, index=index)

# %%
# The collection is made of parts of thirteen photographs, and the cat's own parts come first. That
# pixels find some of them as well is no wonder here. Harder is a part against the other parts:

part = cs.open_image(folder / "flower" / "05.jpg")
cs.neighbors(net, part, index=index)

# %%
# In numbers: how many of the five nearest belong to the same photograph, over all parts, and how
# many would by chance.

for name, share in cs.confusions(net, index=index).result().summary["precision_at_5"].items():
    print(f"{name:8}{share:6.1%}")

# %%
# Of a million embeddings an exact search takes about a second. ``search="faiss"`` and ``search="lance"``
# build an approximate index when they are first asked for, keep it beside the embeddings and tell how
# many of the true ten nearest it finds. LanceDB also understands conditions in SQL:

found = cs.neighbors(net, part, index=index, search="lance", where="label != 'flower'", count=3)
for one in found.result().summary["embedding"]:
    print(one["path"], one["distance"])
