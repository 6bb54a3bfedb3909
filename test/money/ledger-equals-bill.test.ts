import { testLedgerEqualsBill } from "./ledger-equals-bill.ts";

testLedgerEqualsBill(4_000);
