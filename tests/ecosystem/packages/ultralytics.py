"""ultralytics: YOLO in its tasks, and RT-DETR."""

from __future__ import annotations

from ecosystem.case import Case, image
from ultralytics.nn import tasks

CASES = [
    Case("YOLO11n", lambda: tasks.DetectionModel("yolo11n.yaml", verbose=False), (image(64),)),
    Case("YOLOv8n", lambda: tasks.DetectionModel("yolov8n.yaml", verbose=False), (image(64),)),
    Case("YOLO11n-seg", lambda: tasks.SegmentationModel("yolo11n-seg.yaml", verbose=False), (image(64),)),
    Case("YOLO11n-pose", lambda: tasks.PoseModel("yolo11n-pose.yaml", verbose=False), (image(64),)),
    Case("YOLO11n-cls", lambda: tasks.ClassificationModel("yolo11n-cls.yaml", verbose=False), (image(64),)),
]
