"""Checks that every technique should pass, convscope's own and those of other packages.

    from convscope.testing import parametrize_with_checks
    from my_package import my_technique

    @parametrize_with_checks([my_technique], options={"my_technique": {"steps": 2}})
    def test_technique(case, check):
        check(case)

The checks run on a small network and a small photograph, so that they are quick. They need pytest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
