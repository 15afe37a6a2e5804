"""VERIFY.md: how to check a bundle with outside tools and with ours, and what it leaves out (pure)."""

from __future__ import annotations

from app.assessment.statements import NOT_TIMESTAMPED
from app.evidence.case import Case


def verify_text(case: Case) -> bytes:
    """The same text for the same case, so that the verifier can write it again and compare."""
    anchors = "\n".join(
        f"- {row.chain_name} ({row.chain}): block {row.after.number}, hash {row.after.hash}"
        for row in case.scope
        if row.after is not None
    )
    typed = " ".join(f"--anchor {anchor}" for anchor in case.anchors)
    return f"""# How to check this bundle

Evidence {case.evidence_id}, format 1. {NOT_TIMESTAMPED}

1. Compare the hash of each anchor block with two sources you trust, such as two block explorers that
   different people run:

{anchors}

2. Unpack the bundle with any zip program. In its folder, `sha256sum -c manifest-sha256.txt` and
   `sha256sum -c tagmanifest-sha256.txt` check every file; `bagit.py --validate` checks the bag (RFC 8493).
3. Run the verifier from a release of Quittance whose hash you know, never one that came with the bundle,
   with the case file that you were given apart from it and the anchor typed by hand:

       quittance verify BUNDLE.zip --case CASE.json {typed}

   Exit code 0: all holds. 4: consistent, but the question or the anchor came only with the bundle.
   1: rejected, with the file at fault.

## What the verifier recomputes
The container byte for byte; the manifests and their root R; from the raw answers in data/providers/ the
blocks and transfers of data/chain/; from these and data/case.json the whole of data/ledger.json.
Annex P of the sentences is data/providers/requests.json; list C is the creditor's accounts in data/case.json.

## What this bundle does not hold
No signature and no timestamp of a third party, no inclusion in a log, no block headers, receipts or proofs,
no verifier, and the report in English only. The hash of the anchor block is compared, not recomputed: the
grade is provider-reported. Nobody signed the answers in data/providers/: that they are unaltered, or that the
endpoints left nothing out, is not shown. data/report.en.pdf is bound by the bag's manifests only, not by R.
""".encode()
