"""Data that the provider sends, as a person asks for it on the command line."""

import pytest

from connector.cli.exits import Exit
from tests.deliveries import offer_file
from tests.pair import community

pytestmark = pytest.mark.slow


async def test_get_and_transfer_start_with_push(tmp_path, weft):
    """`get --push` ends with the same verified file; `transfer start --push` says its format; columns cannot be chosen."""
    source = tmp_path / "coils.csv"
    source.write_text("coil_no,width\nA1,3\nA2,4\n", encoding="utf-8")
    async with community(tmp_path, "p-steel", "s-zhengshu") as (steel, _):
        await offer_file(steel, source, dataset="coils")
        await weft("s-zhengshu", "catalog", "refresh")
        target = tmp_path / "got.csv"
        done = await weft("s-zhengshu", "get", "coils", "--push", "--output", str(target), "--json")
        assert done.code == Exit.DONE, done.err
        assert target.read_bytes() == source.read_bytes()
        assert done.json["rows"] == 2
        (agreement,) = (await weft("s-zhengshu", "agreements", "--json")).json["items"]
        started = await weft("s-zhengshu", "transfer", "start", agreement["digest"], "--push", "--json")
        assert started.code == Exit.DONE, started.err
        assert started.json["format"] == "HttpData-PUSH"
        refused = await weft("s-zhengshu", "get", "coils", "--push", "--columns", "width", "--output", str(target))
        assert refused.code not in (Exit.DONE, None)
        assert "Columns cannot be chosen" in refused.err
