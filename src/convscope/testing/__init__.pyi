# The public names.
from .cases import Case as Case
from .cases import case as case
from .cases import small_network as small_network
from .cases import small_photograph as small_photograph
from .checks import CHECKS as CHECKS
from .checks import parametrize_with_checks as parametrize_with_checks
