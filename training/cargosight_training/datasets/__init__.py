"""Data sets: COCO JSON with partial labels, and conversion from Pascal VOC and YOLO folders."""
