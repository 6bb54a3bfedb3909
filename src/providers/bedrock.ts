/**
 * Its own protocol and binary event stream; requests are signed, or carry a bearer key. Cloud credentials are never
 * discovered: the variables count only for an account that the configuration names.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

const REGIONS = (
  "us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1 ca-central-1 ca-west-1 mx-central-1 sa-east-1 " +
  "eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 af-south-1 " +
  "ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 " +
  "ap-southeast-5 ap-southeast-6 ap-southeast-7 cn-north-1 cn-northwest-1"
).split(" ");

export const bedrock: ProviderFacts = compatible({
  id: "bedrock",
  name: "AWS Bedrock",
  alsoNamed: ["amazon-bedrock"],
  dialect: "bedrock-converse",
  baseUrl: null,
  address: {
    template: "https://bedrock-runtime.{region}.amazonaws.com",
    exceptions: {
      "region=cn-north-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
      "region=cn-northwest-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
    },
    settings: {
      region: {
        expected: "a region",
        example: "us-east-1",
        variables: ["AWS_REGION", "AWS_DEFAULT_REGION"],
        isRegion: true,
        pattern: /^[a-z]{2,4}(-[a-z]{2,5})?-(north|south|east|west|central|northeast|northwest|southeast|southwest)-\d{1,2}$/,
        known: REGIONS,
      },
    },
  },
  env: [],
  keyVariables: ["AWS_BEARER_TOKEN_BEDROCK"],
  auth: { kind: "sigv4", service: "bedrock" },
  // Inference profiles of a geography or of the account's own: `eu.…`, or an ARN.
  namesDeployments: true,
  kind: "host",
  domain: { cloud: "aws" },
  // Bills the whole generation after a disconnect: reading on tells the true figure.
  onClientGone: "drain",
  // Read by its own decoder: input, cache reads and cache writes are disjoint, reasoning is inside the output.
  usage: { reasoningInOutput: true, cacheInsideInput: false, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
  requestIdHeader: null,
});
