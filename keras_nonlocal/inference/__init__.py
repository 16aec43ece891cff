"""Whole videos in: scores of each, or the evaluation of a data set."""

from keras_nonlocal.inference.evaluating import evaluate_videos as evaluate_videos
from keras_nonlocal.inference.evaluation import VideoEvaluation as VideoEvaluation
from keras_nonlocal.inference.predicting import predict_video as predict_video
