"""The statistics behind the estimators, in numpy: shrinkage, sparse ridge regression, item response models."""
