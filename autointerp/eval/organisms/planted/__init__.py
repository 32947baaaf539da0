"""Features planted in a real model: functions of the text that are known, written into the stream, with known effects.

This kind of organism knows one host at a time, as a `Subject`, and a dictionary as the files it lies in. It does not know who
will look for the features, nor how.
"""

from __future__ import annotations

from autointerp.eval.organisms.planted._host import Host
from autointerp.eval.organisms.planted._kind import PlantedFeatures, plant_in, shuffled_layers
from autointerp.eval.organisms.planted._organism import PlantedOrganism, ShuffledLayers
from autointerp.eval.organisms.planted._planting import Order
from autointerp.eval.organisms.planted._truth import PlantedLatent, PlantedTruth

__all__ = [
    "Host",
    "Order",
    "PlantedFeatures",
    "PlantedLatent",
    "PlantedOrganism",
    "PlantedTruth",
    "ShuffledLayers",
    "plant_in",
    "shuffled_layers",
]
