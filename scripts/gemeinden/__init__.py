"""The rooms behind ``scripts/build_gemeinden.py``, in the order of the work.

A VG250 release and a register are read (`vg250`, `register`), the release is brought to the
register's territorial state (`territory`), the result is checked (`checks`) and written
with its place names (`places`, `output`). The product itself does not import this package.
"""
