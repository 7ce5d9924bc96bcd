import unittest

import shop
from catalogue import cheapest


class ShopTest(unittest.TestCase):
    def test_the_front_page_tells_the_version(self):
        status, value = shop.answer("/")
        assert status == 200
        assert value["version"] == shop.VERSION

    def test_the_bargain_is_what_costs_least(self):
        assert cheapest({"kettle": 2900, "cup": 700}) == "cup"

    def test_an_unknown_page_is_not_found(self):
        assert shop.answer("/till")[0] == 404


if __name__ == "__main__":
    unittest.main()
