"""
Embedding map
=============

A whole collection at a glance: photographs that are alike to the network lie beside each other.

**How to read it.** Look for neighborhoods: what do the photographs in one have in common, and what
lies between two of them? Outliers and photographs in strange company are worth a closer look, for
instance wrong labels. The caption says how far the map can be believed. Trustworthiness falls where
photographs lie side by side whose embeddings are not alike, recall is the share of the ten nearest by
code that are also among the ten nearest here; both are 1 at best.

**Its limits.** A plane has too few directions for a embedding of a thousand numbers. t-SNE keeps
neighbors and gives up the rest: how far apart groups lie, how large and how dense they are says
little, and a group may be torn in two. PCA keeps the large distances and loses the neighbors.
Isomap and UMAP lie in between. Believe what several of them agree on.

**Paper.** van der Maaten and Hinton 2008, `Visualizing Data using t-SNE
<https://www.jmlr.org/papers/v9/vandermaaten08a.html>`__; the grid is Karpathy's of 2014, from
`t-SNE visualization of CNN embeddings <https://cs.stanford.edu/people/karpathy/cnnembed/>`__.
"""

from parts import photographs

import convscope as cs

net = cs.load()
folder = photographs()
index = cs.index(net, folder, folder.with_name("parts-index")).result()
cs.embedding_map(net, index=index)

# %%
# Each photograph once, in the cell of a grid where it has to move least:

cs.embedding_map(net, index=index, show="grid")

# %%
# Every cell filled with the photograph that is nearest to it, so that empty regions fill up and
# crowded ones thin out:

cs.embedding_map(net, index=index, show="nearest", side=18)

# %%
# The same embeddings by PCA: the neighbors are worse, as the caption says.

cs.embedding_map(net, index=index, method="pca")
