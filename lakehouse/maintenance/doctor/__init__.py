"""The doctor: what of a lake is not as it was recorded, and the repairs that can not make it worse."""

from lakehouse.maintenance.doctor.copies import open_source
from lakehouse.maintenance.doctor.diagnose import diagnose
from lakehouse.maintenance.doctor.diagnosis import Diagnosis
from lakehouse.maintenance.doctor.findings import Finding, Repair, Repaired

__all__ = ["Diagnosis", "Finding", "Repair", "Repaired", "diagnose", "open_source"]
