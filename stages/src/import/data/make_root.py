"""Makes trec.root.gz and lz4.root.gz, which the tests of `import` read: `pip install uproot numpy`, then run this here.

Written by uproot, an implementation of the format that shares no code with ours.
"""
import gzip
import os

import numpy
import uproot

values = 900 + 7.25 * numpy.arange(300)
with uproot.recreate("trec.root", compression=uproot.ZLIB(4)) as file:
    file.mktree("TRec", {"m_NPE": "float64", "m_charge": "float32", "hits": "int32", "id": "uint64", "vertex": ("float64", (3,))},
                initial_basket_capacity=3)
    for part in numpy.array_split(values, 3):  # three baskets
        file["TRec"].extend({
            "m_NPE": part,
            "m_charge": part.astype("f4"),
            "hits": part.astype("i4"),
            "id": part.astype("u8"),
            "vertex": numpy.zeros((len(part), 3)),
        })
    file.mktree("other/TSim", {"edep": "float64"}, initial_basket_capacity=1)
    file["other/TSim"].extend({"edep": values[:5]})
with uproot.recreate("lz4.root", compression=uproot.LZ4(4)) as file:
    file.mktree("TRec", {"m_NPE": "float64"}, initial_basket_capacity=1)
    file["TRec"].extend({"m_NPE": numpy.repeat(values, 3)})
for name in ["trec.root", "lz4.root"]:
    with open(name, "rb") as plain, open(name + ".gz", "wb") as packed:
        packed.write(gzip.compress(plain.read(), 9, mtime=0))
    os.remove(name)
