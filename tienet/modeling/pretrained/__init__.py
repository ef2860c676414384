"""The backbone's weights from the files in which ResNet-50 was published: Caffe's, Keras's, or an .npz of these."""
