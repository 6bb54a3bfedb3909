/**
 * How an account proves who it is where a fixed key in a header is not enough. Made by the configuration, used at the
 * edge. Shapes only.
 */

/** A value that prints as `***`; only `reveal` gives it. */
export interface Hidden {
  reveal(): string;
}

export type Credential =
  | ServiceAccount
  | RefreshToken
  | ClientSecret
  | Signing;

/** A statement signed with the account's private key (RS256) is exchanged for an access token. */
export interface ServiceAccount {
  readonly kind: "service-account";
  readonly email: string;
  readonly keyId: string | null;
  /** PKCS #8 or PKCS #1, PEM. */
  readonly privateKey: Hidden;
  readonly tokenUrl: string;
  readonly scope: string;
}
/** A person's own credential, as command-line tools leave it behind. */
export interface RefreshToken {
  readonly kind: "refresh-token";
  readonly clientId: string;
  readonly clientSecret: Hidden;
  readonly refreshToken: Hidden;
  readonly tokenUrl: string;
}
/** Client credentials of OAuth 2.0. */
export interface ClientSecret {
  readonly kind: "client-secret";
  readonly clientId: string;
  readonly clientSecret: Hidden;
  readonly tokenUrl: string;
  readonly scope: string;
}
/** Requests are signed with Signature Version 4. */
export interface Signing {
  readonly kind: "sigv4";
  readonly service: string;
  readonly region: string;
  readonly keys: SigningKeys;
}

export type SigningKeys = StaticKeys | AssumedRole | WebIdentity | ContainerKeys;
export interface StaticKeys {
  readonly kind: "static";
  readonly accessKeyId: string;
  readonly secretAccessKey: Hidden;
  readonly sessionToken: Hidden | null;
}
export interface AssumedRole {
  readonly kind: "role";
  readonly roleArn: string;
  readonly sessionName: string;
  readonly externalId: string | null;
  readonly stsUrl: string;
  /** The region that the call for the role is signed for. */
  readonly region: string;
  readonly base: SigningKeys;
}
/** The platform writes a token into a file and renews it there. */
export interface WebIdentity {
  readonly kind: "web-identity";
  readonly roleArn: string;
  readonly sessionName: string;
  readonly tokenFile: string;
  readonly stsUrl: string;
}
/** An address on the machine itself, given by the platform. */
export interface ContainerKeys {
  readonly kind: "container";
  readonly url: string;
  readonly authorization: Hidden | null;
  readonly authorizationFile: string | null;
}
