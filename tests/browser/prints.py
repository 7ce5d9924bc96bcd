"""What stages and hosts print."""

_DOTS = (
    ("basket/test_totals.py", 37, 3),
    ("basket/test_vouchers.py", 28, 5),
    ("catalogue/test_prices.py", 36, 8),
    ("checkout/test_flow.py", 31, 11),
    ("orders/test_reserve.py", 19, 13),
    ("orders/test_invoices.py", 34, 16),
    ("payments/test_webhooks.py", 30, 19),
)
SHORT = b"$ ruff check .\n\x1b[32mAll checks passed!\x1b[0m\n"
_RULE = "=" * 28
TESTS = (
    "\x1b[2m$ pytest -q\x1b[0m\n"
    f"\x1b[1m{_RULE} test session starts {_RULE}\x1b[0m\n"
    "platform linux -- Python 3.12.9, pytest-9.2.1, pluggy-1.6.0\n"
    "rootdir: /src\n"
    "plugins: django-4.14.0, xdist-3.8.0\n"
    "4 workers [1204 items]\n\n"
    + "".join(f"{f'tests/{name} ':<34}\x1b[36m{'.' * count:<42}[{share:>3}%]\x1b[0m\n" for name, count, share in _DOTS)
    + "\n\x1b[31m_____________________ test_two_workers_reserve_the_last_item _____________________\x1b[0m\n\n"
    "    def test_two_workers_reserve_the_last_item(stock, pool):\n"
    '        stock.set("lamp", 1)\n'
    '        first, second = pool.map(reserve, ["lamp", "lamp"])\n'
    '\x1b[1;31m>       assert stock.left("lamp") == 0\x1b[0m\n'
    "\x1b[31mE       assert -1 == 0\x1b[0m\n"
    "\x1b[31mE        +  where -1 = left('lamp')\x1b[0m\n\n"
    "\x1b[36mtests/orders/test_reserve.py\x1b[0m:48: AssertionError\n"
    "\x1b[33mWARNING\x1b[0m orders.reserve: retry 1 of 3 after SerializationFailure\n"
    "\x1b[33mWARNING\x1b[0m orders.reserve: retry 2 of 3 after SerializationFailure\n"
    "INFO    orders.reserve: <script>document.title='taken'</script> is only text\n"
).encode()
PLAN = b"inventory: 6 hosts\nuploaded dist/ to 6 hosts\nmigrate: ./manage.py migrate\n"
HOST = (
    b"$ ln -sfn releases/43 .current.43 && mv -T .current.43 current\n"
    b"$ sudo systemctl restart shop\n"
    b"shop.service: stopped by SIGTERM after 1.2 s\n"
    b"shop.service: started, main process 48213\n"
    b"asking http://127.0.0.1:8000/healthz\n"
    b"\x1b[33mconnection refused\x1b[0m, asking again in 1 s\n"
    b'503 {"status": "warming", "cache": "61 %"}\n'
    b'503 {"status": "warming", "cache": "84 %"}\n'
)
