"""The very bytes of a notification: a faster writer must not write others."""

from __future__ import annotations

from batch.anomalies import Anomaly
from batch.identifiers import NssoNumber
from batch.ingest.answer import Handled, noti
from batch.ingest.services import FormHeader, FormVerdict, Reference, ResultField
from tests.unit.ingest.sets import AT, names_of, sealed

ACCEPTED = FormVerdict(
    FormHeader("FLA001", "2026-01-20", "09:00:00.000", "0", "SU"),
    (Reference("1", "1", "HR & 1"),),
    "0123456749",
    NssoNumber("100006"),
    "85073003328",
    "é <1>",
    result_name="FLAResult",
    result=(
        ResultField("FLAId", "1" * 24),
        ResultField("Version", "1"),
        ResultField("RegistrantReference", "R/1"),
        ResultField("RemainingHours", "3800", (("type", "LEGAL"),)),
        ResultField("RemainingHours", "0", (("type", "SECTOR"),)),
        ResultField("RemainingHours", "0", (("type", "EMPLOYER"),)),
    ),
)
REFUSED = FormVerdict(
    FormHeader("FLA001", type_form="S\rU"),
    anomalies=(
        Anomaly(
            "00911", "014", tag="EndingDate", value="<2024>\x00", line=31, column=40, location="1,2"
        ),
    ),
)
WRITTEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<NOTIFICATION xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    "  <Form>\n"
    "    <Identification>NOTI001</Identification>\n"
    "    <FormCreationDate>2026-01-20</FormCreationDate>\n"
    "    <FormCreationHour>12:00:00.000</FormCreationHour>\n"
    "    <AttestationStatus>0</AttestationStatus>\n"
    "    <TypeForm>FA</TypeForm>\n"
    "    <FileReference><FileName>FI.FLAD.000001.20260120.00001.R.1.1</FileName>"
    "<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>0000000000ABC</ReferenceNbr>"
    "</FileReference>\n"
    "    <HandledOriginalFile><SenderId>000001</SenderId></HandledOriginalFile>\n"
    "    <HandledOriginalForm><Identification>FLA001</Identification>"
    "<FormCreationDate>2026-01-20</FormCreationDate>"
    "<FormCreationHour>09:00:00.000</FormCreationHour>"
    "<AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm>"
    "</HandledOriginalForm>\n"
    "    <Reference><ReferenceType>1</ReferenceType>"
    "<ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>HR &amp; 1</ReferenceNbr>"
    "</Reference>\n"
    "    <EmployerId><NOSSRegistrationNbr>100006</NOSSRegistrationNbr>"
    "<CompanyID>0123456749</CompanyID></EmployerId>\n"
    "    <NaturalPerson><INSS>85073003328</INSS>"
    "<NaturalPersonUserReference>é &lt;1&gt;</NaturalPersonUserReference>"
    "</NaturalPerson>\n"
    "    <HandledReference><ReferenceType>1</ReferenceType>"
    "<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>0000000000ABD</ReferenceNbr>"
    "</HandledReference>\n"
    "    <HandlingResult><ResultCode>1</ResultCode></HandlingResult>\n"
    "    <ApplicationData><FLAResult><FLAId>111111111111111111111111</FLAId>"
    "<Version>1</Version><RegistrantReference>R/1</RegistrantReference>"
    '<RemainingHours type="LEGAL">3800</RemainingHours>'
    '<RemainingHours type="SECTOR">0</RemainingHours>'
    '<RemainingHours type="EMPLOYER">0</RemainingHours></FLAResult></ApplicationData>\n'
    "  </Form>\n"
    "  <Form>\n"
    "    <Identification>NOTI001</Identification>\n"
    "    <FormCreationDate>2026-01-20</FormCreationDate>\n"
    "    <FormCreationHour>12:00:00.000</FormCreationHour>\n"
    "    <AttestationStatus>0</AttestationStatus>\n"
    "    <TypeForm>FA</TypeForm>\n"
    "    <FileReference>"
    "<FileName>FI.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</FileName>"
    "<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>0000000000ABC</ReferenceNbr>"
    "</FileReference>\n"
    "    <HandledOriginalFile><SenderId>000001</SenderId></HandledOriginalFile>\n"
    "    <HandledOriginalForm><Identification>FLA001</Identification>"
    "<TypeForm>S&#13;U</TypeForm></HandledOriginalForm>\n"
    "    <HandledReference><ReferenceType>1</ReferenceType>"
    "<ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>0000000000ABD</ReferenceNbr>"
    "</HandledReference>\n"
    "    <HandlingResult><ResultCode>0</ResultCode><Diagnosis>3</Diagnosis>"
    "<AnomalyReport><ErrorID>00911-014</ErrorID><TagName>EndingDate</TagName>"
    "<Value>&lt;2024&gt;?</Value><AnomalyClass>B</AnomalyClass><AnomalyLocation>"
    "<LineNbr>31</LineNbr><ColumnNbr>40</ColumnNbr><Location>1,2</Location>"
    "</AnomalyLocation></AnomalyReport></HandlingResult>\n"
    "  </Form>\n"
    "</NOTIFICATION>\n"
)


def test_a_notification_has_these_very_bytes() -> None:
    handled = [
        Handled("FI.FLAD.000001.20260120.00001.R.1.1", "0000000000ABD", ACCEPTED),
        Handled(f"FI.{'x' * 70}", "0000000000ABD", REFUSED),
    ]
    found = b"".join(noti(sealed(names_of()), "0000000000ABC", handled, AT))
    assert found.decode() == WRITTEN
