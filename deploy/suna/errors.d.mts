/** Types of errors.mjs, which says what each is for. */
export interface ErrorTrackingOptions {
  dsn: string | undefined;
  service: string;
  version: string;
  spoolFolder: string;
  pseudonymKeyFile?: string;
  secrets?: string[];
  environment?: string;
  ignoredStatuses?: number[];
  ignoredTypes?: string[];
  sourceLines?: boolean;
  spoolLimitBytes?: number;
}

/** For `Sentry.init`, whose own types differ between the SDK's versions. */
export function errorTracking(options: ErrorTrackingOptions): any;
