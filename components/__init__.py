"""TFX components: one folder each, plain TensorFlow, Keras and Beam code inside, a thin TFX shell beside it."""
