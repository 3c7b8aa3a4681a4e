import type { ReactNode } from "react";

function icon(children: ReactNode) {
  return () => (
    <svg
      viewBox="0 0 20 20"
      width="20"
      height="20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const SearchIcon = icon(<path d="M9 15A6 6 0 1 0 9 3a6 6 0 0 0 0 12Zm4.4-1.6L17 17" />);
export const MoonIcon = icon(<path d="M16.5 11.7A7 7 0 0 1 8.3 3.5a7 7 0 1 0 8.2 8.2Z" />);
export const SunIcon = icon(
  <path d="M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M15.7 4.3l-1.1 1.1M5.4 14.6l-1.1 1.1" />,
);
export const CloseIcon = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const PlayIcon = icon(<path d="M6.5 4v12l9-6Z" fill="currentColor" />);
export const PauseIcon = icon(<path d="M7 4.5v11M13 4.5v11" strokeWidth="2.4" />);
export const StopIcon = icon(
  <rect x="5" y="5" width="10" height="10" rx="1" fill="currentColor" />,
);
export const CameraIcon = icon(
  <path d="M3 6.5h3L7.5 4.5h5L14 6.5h3v9H3ZM10 8a2.8 2.8 0 1 0 0 5.6A2.8 2.8 0 0 0 10 8Z" />,
);
export const UploadIcon = icon(<path d="M10 13V4M6.5 7 10 3.5 13.5 7M4 13v3.5h12V13" />);
export const YesIcon = icon(<path d="m4.5 10.5 4 4 7-8" strokeWidth="2" />);
export const NoIcon = icon(<path d="M10 4.5v7M10 15v.2" strokeWidth="2.2" />);
export const DownIcon = icon(<path d="m5.5 8 4.5 4.5L14.5 8" />);
export const MinusIcon = icon(<path d="M5 10h10" />);
export const PlusIcon = icon(<path d="M5 10h10M10 5v10" />);
