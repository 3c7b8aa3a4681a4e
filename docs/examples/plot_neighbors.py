"""
Nearest neighbors
=================

The images of a collection that are nearest to a photograph, by embedding and by pixels.

**How to read it.** On the left is the query photograph. The upper row shows the images with the
nearest embeddings; an embedding is the input of the network's classifier. The lower row shows the
images with the nearest pixels. If the upper row shows the same kind of object in other poses, other
light and other places, the network has learned to ignore these differences. The images of the lower
row are mostly light and dark in the same places. Below each image stand its label, or else the
network's prediction, and its distance.

**Its limits.** There is always a nearest image, even if nothing similar is in the collection: look
at the distances. Embeddings were trained to tell the training classes apart, so they may ignore
what matters to you. The distances of two networks cannot be compared.

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
# The collection consists of parts of thirteen photographs, and the parts of this cat come first.
# Pixels find some of them too. It is harder to find the other parts of a photograph from one part:

part = cs.open_image(folder / "flower" / "05.jpg")
cs.neighbors(net, part, index=index)

# %%
# The same in numbers: the fraction of the five nearest images that come from the same photograph,
# over all parts, and the fraction expected by chance.

for name, fraction in cs.confusions(net, index=index).result().summary["precision_at_5"].items():
    print(f"{name:12}{fraction:6.1%}")

# %%
# An exact search of a million embeddings takes about a second. ``search="faiss"`` and
# ``search="lance"`` build an approximate index on first use and keep it with the embeddings. The
# summary says what fraction of the true ten nearest they find. LanceDB also accepts conditions in
# SQL:

found = cs.neighbors(net, part, index=index, search="lance", where="label != 'flower'", count=3)
for one in found.result().summary["embedding"]:
    print(one["path"], one["distance"])
