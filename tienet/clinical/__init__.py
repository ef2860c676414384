"""What a network says of an image, as documents for a PACS (DICOM SR) and for a record system (FHIR)."""
