"""
Embedding map
=============

A collection in the plane, where images with similar embeddings lie close together.

**How to read it.** Look for neighborhoods: what do the images of one have in common, and what lies
between two of them? Outliers and images among unlike neighbors deserve a closer look; some have
wrong labels. The caption tells how far the map can be trusted. Trustworthiness is low where
neighbors in the map have embeddings that are far apart. Recall is the fraction of the ten nearest
images by embedding that are also among the ten nearest in the map. Both are 1 at best.

**Its limits.** A plane cannot show all distances between embeddings of a thousand dimensions. t-SNE
preserves neighbors and gives up the rest: the distances between groups, their sizes and densities
mean little, and a group may be torn in two. PCA preserves large distances and loses neighbors.
Isomap and UMAP lie in between. Trust what several of them agree on.

**Paper.** van der Maaten and Hinton 2008, `Visualizing Data using t-SNE
<https://www.jmlr.org/papers/v9/vandermaaten08a.html>`__; the grid follows Karpathy 2014,
`t-SNE visualization of CNN embeddings <https://cs.stanford.edu/people/karpathy/cnnembed/>`__.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
cs.embedding_map(net, index=index)

# %%
# Each image once in a grid, with the images moved as little as possible in total:

cs.embedding_map(net, index=index, show="grid")

# %%
# Each cell of a grid filled with the image nearest to it, so that empty regions fill up and crowded
# regions thin out:

cs.embedding_map(net, index=index, show="nearest", side=18)

# %%
# The same embeddings by PCA. The caption shows that it preserves fewer neighbors.

cs.embedding_map(net, index=index, method="pca")
