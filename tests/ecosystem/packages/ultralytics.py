"""ultralytics: YOLO in its tasks, and RT-DETR."""

from __future__ import annotations

from ecosystem.case import Case, image
from ultralytics.nn import tasks

STRIDES = "runs for real: the strides of its maps are three numbers that it keeps as a plain attribute"

CASES = [
    Case("YOLO11n", lambda: tasks.DetectionModel("yolo11n.yaml", verbose=False), (image(64),), wrong=STRIDES),
    Case("YOLOv8n", lambda: tasks.DetectionModel("yolov8n.yaml", verbose=False), (image(64),), wrong=STRIDES),
    Case(
        "YOLO11n-seg", lambda: tasks.SegmentationModel("yolo11n-seg.yaml", verbose=False), (image(64),), wrong=STRIDES
    ),
    Case("YOLO11n-pose", lambda: tasks.PoseModel("yolo11n-pose.yaml", verbose=False), (image(64),), wrong=STRIDES),
    Case("YOLO11n-cls", lambda: tasks.ClassificationModel("yolo11n-cls.yaml", verbose=False), (image(64),)),
]
