"""Where arrays live and programs run: the mesh, jit and pmap, replicas, several processes.

Must not know what is computed there.
"""
