# What other rooms may use of this one.
from .growth import Order as Order
from .growth import grow as grow
from .sampling import free_places as free_places
from .sampling import nearest_places as nearest_places
from .sampling import surroundings as surroundings
from .verbatim import copies as copies
from .windows import neighborhoods as neighborhoods
