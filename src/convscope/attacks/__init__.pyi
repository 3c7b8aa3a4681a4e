# What other rooms may use of this one.
from .adversarial import Adversarial as Adversarial
from .aims import Aim as Aim
from .aims import aim_at as aim_at
from .carrying import carried as carried
from .carrying import in_bytes as in_bytes
from .finishing import finished as finished
