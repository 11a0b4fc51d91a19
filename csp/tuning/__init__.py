"""mIoU*: the mask head tuned under a fixed plan, everything before it frozen (the paper's section 4.3)."""
