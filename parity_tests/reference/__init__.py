"""Plain PyTorch implementations of everything kdjax computes, written from the specs and held to the golden files.

Read each file beside the JAX one of the same name. Maps are NCHW here (NHWC in kdjax), weights have torch names and
layouts, and nothing is clever: the point of this folder is that a reader can check it against the papers.
"""
