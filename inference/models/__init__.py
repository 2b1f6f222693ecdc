"""What the engines run: architectures, weights, labels, preprocessing, and the catalogue of them.

``catalogue.resolve`` is the way in: a name or a folder becomes a ``spec.ModelSpec``; ``conversion``
turns that into a LiteRT file. ``lite``, ``applications`` and ``folder`` are the three kinds.
Nothing here imports TensorFlow or Keras before a model is built.
"""
