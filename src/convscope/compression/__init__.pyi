# What other rooms may use of this one.
from .sharing import Start as Start
from .sharing import first_levels as first_levels
from .sharing import k_means as k_means
from .sharing import shared as shared
