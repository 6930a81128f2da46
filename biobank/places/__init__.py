"""The container tree: freezers, shelves, racks, boxes. Knows no tube."""
