/** As ledger-equals-bill.test.ts, with as many requests as are promised. */
import { testLedgerEqualsBill } from "./ledger-equals-bill.ts";

testLedgerEqualsBill(20_000);
