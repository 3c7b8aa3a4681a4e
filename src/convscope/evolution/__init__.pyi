# What other rooms may use of this one.
from .elites import Elites as Elites
from .encodings import Cppns as Cppns
from .encodings import Encoding as Encoding
from .encodings import Pixels as Pixels
from .evolution import Evolution as Evolution
from .evolution import probabilities as probabilities
